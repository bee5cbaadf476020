"""How good distances and warnings are, against measured depth and labels."""
