"""Published models in forms of others: here ONNX, made from the NumPy form, so that neither TensorFlow nor Keras is needed for it."""
