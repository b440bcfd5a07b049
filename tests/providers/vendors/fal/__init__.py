"""What is special to fal: its queue, its endpoints, its refusals."""
