"""From archives, folders or generating factors to checked dense models, and back to the raw layout."""
