"""What people and schedules do to rules and alerts."""
