"""The toolbox: an image of tools, made of Debian packages by cntr itself.

Nothing of the packages is run: their files become one layer. So it needs neither root nor a daemon, nor a Debian.
"""
