"""The small program that runs inside the guests during an update. Standard library only; imports nothing of ours.

It must run on the guest's own Python (3.9 or later), is shipped as one zipapp (``bundle``) and leaves nothing behind.
Two machines take part: the *source*, where the units run now, and the *target*, where they go.
"""
