"""What a batch writes: the fence, people and who writes for them, readings by COPY, what was refused."""
