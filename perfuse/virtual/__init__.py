"""A network and a broker in virtual time: sessions, cuts, faults and clocks, all from one seed."""
