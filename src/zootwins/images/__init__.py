"""Image data: torchvision's data sets and those that archives bring along, with their splits."""

CORRUPTIONS = ("noise", "blur", "contrast", "jpeg", "rotation", "translation", "shear")
SEVERITIES = (1, 2, 3, 4, 5)  # of each corruption
