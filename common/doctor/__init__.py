"""`python -m common.doctor`: what is installed here, how fast it is, and what to do about what is wrong."""
