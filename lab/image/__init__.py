"""The guests' disk images, built from Debian's packages: an old kernel runs, a newer one waits in the lab's source."""
