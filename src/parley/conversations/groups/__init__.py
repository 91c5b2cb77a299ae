"""Groups of people, and invitations to them."""
