"""Getting the alarm to someone: incidents, what is to be told of them, and the telling."""
