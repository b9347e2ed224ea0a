"""Fine-tune DeiT and ViT image classifiers on your own classes."""
