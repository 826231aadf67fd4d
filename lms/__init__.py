"""The LMS port's implementations and all HTTP. Imports domain and runtime."""
