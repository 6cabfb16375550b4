"""What people do for themselves: what they wear, keys, who sees them, taking their data along, being forgotten."""
