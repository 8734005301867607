"""Image data: torchvision's data sets and those that archives bring along, with their splits."""
