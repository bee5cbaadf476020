"""What the documentation shows and the code says: reference pages, images and sounds."""
