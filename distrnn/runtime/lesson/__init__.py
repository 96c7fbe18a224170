"""How recurrent networks learn, in plain NumPy: code to read, not to train large models with.

Read in this order:

    scan.py        what a recurrent network is: a function carried along a sequence
    cells.py       one step forward of a simple RNN, a GRU and an LSTM, and one step back, derivatives by hand
    through_time.py  all steps forward, then all steps back
    network.py     one-hot characters ► cell ► softmax, the loss, and stochastic gradient descent
    ratings.py     by itself: what an embedding is, on a table of ratings

Shapes, everywhere: T steps, B rows, F input features, U units, V characters.
"""
