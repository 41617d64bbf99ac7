"""What is installed and active is compared with what was made, and repaired."""
