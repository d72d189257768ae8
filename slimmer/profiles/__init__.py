"""Security profiles of what a slim image needs: written from what its runs did, and held against one more run."""
