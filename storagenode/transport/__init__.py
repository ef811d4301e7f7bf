"""How clients send requests to a node."""
