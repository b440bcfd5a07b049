"""What every vendor file is written with. Knows no vendor."""
