"""`make containers`: the images and the compose file by a real engine, end to end."""
