"""Images in registries (distribution-spec 1.1): pulled, pushed, and found by what they refer to."""
