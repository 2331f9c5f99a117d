"""OpenStreetMap's servers → a folder with a plan that runs. The only room that goes to the network."""
