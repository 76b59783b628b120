"""What the in-guest program may answer: for each command a frozen value, nothing of it larger than it can be.

A guest is hostile: whoever is root there may say whatever he likes in the program's stead. What is not known here is
dropped; what has another form is refused with ``live-update.guest.bad-answer``; texts are plain, and cut. What an older
program does not tell has its default.
"""

from liveupdate.drivers.guest.answers.reading import ANSWERS, parse, result

__all__ = ["ANSWERS", "parse", "result"]
