"""Published models in forms of others, and what makes sure that they say the same.

ONNX is made here, from the NumPy form, so that neither TensorFlow nor Keras is needed for it.
"""
