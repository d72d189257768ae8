"""Splitting an image into a slim and a fat half (imported as ``cntr_slimmer``)."""
