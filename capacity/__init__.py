"""A model of clusters that no test machine can hold: capacity, repair, durability, and costs."""
