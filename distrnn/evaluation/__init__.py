"""What a trained model is worth: figures on held-out data (`metrics`) and the page that shows a run (`report`)."""
