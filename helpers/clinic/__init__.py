"""The debugging clinic: patients with a hidden fault, the tests to order, the treatments to try."""
