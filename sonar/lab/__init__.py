"""What measures and makes sonar; nothing that guides imports it."""
