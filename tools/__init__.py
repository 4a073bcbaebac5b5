"""Tools of the course: notebook hygiene, labs, data builders. Not part of the installed package."""
