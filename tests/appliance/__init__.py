"""The image of the kiosk in an emulated machine, with the simulators around it on real wires."""
