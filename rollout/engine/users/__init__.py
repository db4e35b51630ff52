"""What users get while nodes are rolled, and what follows from it."""
