"""How the workflow is run: what a step wrote and read, which card it gets, what runs again, what is done and what is not."""
