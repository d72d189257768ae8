"""The layers of an image, served from their tars instead of unpacked.

::

    store   a layer's plain tar, in place or decompressed once          I/O
    index   what members a tar has, and where                          reads headers
    tree    the members of all layers, merged into one tree            pure
    branch  that tree as a branch of the filesystem                    reads contents
"""
