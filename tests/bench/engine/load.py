"""What each engine is given: jobs of so many steps that do nothing but return a small result."""

STEPS = 20
RESULT = {"id": "0f7a4c1e-5b1d-4a53-9a51-2f6f2d1c9b10"}
