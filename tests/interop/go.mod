module voketag/interop

go 1.21
