"""What is imaged, as a recipe states it: supports, and what lies on them."""
