"""Thousands of jobs, several workers, some of them killed; the cloud is a folder. Nothing is lost or done twice."""
