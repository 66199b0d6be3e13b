module {
  func.func @main(%arg0: !torch.vtensor<[?,4],f32>, %arg1: !torch.vtensor<[?,4],f32>, %arg2: !torch.int) -> (!torch.vtensor<[?,4],f32>, !torch.vtensor<[?,2],f32>, !torch.vtensor<[?,2],f32>, !torch.vtensor<[?],si64>, !torch.int) attributes {torch.assume_strict_symbolic_shapes} {
    %int0 = torch.constant.int 0
    %0 = torch.aten.size.int %arg0, %int0 : !torch.vtensor<[?,4],f32>, !torch.int -> !torch.int
    %int0_0 = torch.constant.int 0
    %1 = torch.aten.size.int %arg1, %int0_0 : !torch.vtensor<[?,4],f32>, !torch.int -> !torch.int
    %2 = torch.prim.ListConstruct %arg0, %arg1 : (!torch.vtensor<[?,4],f32>, !torch.vtensor<[?,4],f32>) -> !torch.list<vtensor>
    %int0_1 = torch.constant.int 0
    %3 = torch.aten.cat %2, %int0_1 : !torch.list<vtensor>, !torch.int -> !torch.vtensor<[?,4],f32>
    %int2 = torch.constant.int 2
    %int2_2 = torch.constant.int 2
    %4 = torch.prim.ListConstruct %int2, %int2_2 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1 = torch.constant.int 1
    %5 = torch.aten.split_with_sizes %arg0, %4, %int1 : !torch.vtensor<[?,4],f32>, !torch.list<int>, !torch.int -> !torch.list<vtensor>
    %6:2 = torch.prim.ListUnpack %5 : !torch.list<vtensor> -> !torch.vtensor<[?,2],f32>, !torch.vtensor<[?,2],f32>
    %int2_3 = torch.constant.int 2
    %7 = torch.aten.mul.int %1, %int2_3 : !torch.int, !torch.int -> !torch.int
    %int2_4 = torch.constant.int 2
    %8 = torch.prim.ListConstruct %7, %int2_4 : (!torch.int, !torch.int) -> !torch.list<int>
    %9 = torch.aten.view %arg1, %8 : !torch.vtensor<[?,4],f32>, !torch.list<int> -> !torch.vtensor<[?,2],f32>
    %int0_5 = torch.constant.int 0
    %int1_6 = torch.constant.int 1
    %none = torch.constant.none
    %int0_7 = torch.constant.int 0
    %cpu = torch.constant.device "cpu"
    %false = torch.constant.bool false
    %10 = torch.aten.arange.start_step %int0_5, %arg2, %int1_6, %none, %int0_7, %cpu, %false : !torch.int, !torch.int, !torch.int, !torch.none, !torch.int, !torch.Device, !torch.bool -> !torch.vtensor<[?],si64>
    %int0_8 = torch.constant.int 0
    %int1_9 = torch.constant.int 1
    %int9223372036854775807 = torch.constant.int 9223372036854775807
    %int1_10 = torch.constant.int 1
    %11 = torch.aten.slice.Tensor %3, %int0_8, %int1_9, %int9223372036854775807, %int1_10 : !torch.vtensor<[?,4],f32>, !torch.int, !torch.int, !torch.int, !torch.int -> !torch.vtensor<[?,4],f32>
    %12 = torch.aten.mul.Scalar %6#0, %0 : !torch.vtensor<[?,2],f32>, !torch.int -> !torch.vtensor<[?,2],f32>
    %int1_11 = torch.constant.int 1
    %int1_12 = torch.constant.int 1
    %13 = torch.aten.add.Scalar %9, %int1_11, %int1_12 : !torch.vtensor<[?,2],f32>, !torch.int, !torch.int -> !torch.vtensor<[?,2],f32>
    %14 = torch.aten.add.int %1, %0 : !torch.int, !torch.int -> !torch.int
    %int2_13 = torch.constant.int 2
    %15 = torch.aten.mul.int %14, %int2_13 : !torch.int, !torch.int -> !torch.int
    %int1_14 = torch.constant.int 1
    %16 = torch.aten.add.int %15, %int1_14 : !torch.int, !torch.int -> !torch.int
    return %11, %12, %13, %10, %16 : !torch.vtensor<[?,4],f32>, !torch.vtensor<[?,2],f32>, !torch.vtensor<[?,2],f32>, !torch.vtensor<[?],si64>, !torch.int
  }
}
