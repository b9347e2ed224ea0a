"""What varies training images after their crop: in batches, on the device that trains."""
