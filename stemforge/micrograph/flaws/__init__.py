"""What a recorded image can hold beside the specimen: areas of one value, annotations burnt into it, seams."""
