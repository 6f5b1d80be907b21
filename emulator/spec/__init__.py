"""What a machine is: instruction table, architectures, arithmetic, ledger, image; it knows no machine, no compiler."""
