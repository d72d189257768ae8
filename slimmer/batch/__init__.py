"""``cntr slim --batch``: many images, on this machine or on others."""
