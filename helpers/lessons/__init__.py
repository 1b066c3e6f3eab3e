"""What the lessons are made of: predictions and claims, figures, exercises."""
