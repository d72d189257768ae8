"""Reading tars: every member, and where its bytes are."""
