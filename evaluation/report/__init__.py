"""``python -m evaluation report``: results as a page that a person likes to read, in Markdown and in HTML."""
