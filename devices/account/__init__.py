"""How a person signs in, proves who they are, and hears of what changed."""
