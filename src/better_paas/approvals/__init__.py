"""A person's yes or no to one exact call that an agent asked for."""
