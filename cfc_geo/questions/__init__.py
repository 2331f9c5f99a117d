"""What is asked of a Study and its walking costs; the questions never import one another."""
