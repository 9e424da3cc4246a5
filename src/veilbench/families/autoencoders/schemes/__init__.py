"""What codes rows (tables, images, signals), gives them back, scores them or restores them: interface and subjects."""
