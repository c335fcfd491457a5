"""Polar Measurement Data (PMD): the streams of Polar's chest straps and optical sensors."""
