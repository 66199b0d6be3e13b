module {
  func.func @main(%arg0: !torch.vtensor<[3],f32>) -> (!torch.vtensor<[?],f32>, !torch.vtensor<[3],f32>) attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.symbolic_int "u0" {min_val = 0, max_val = 7} : !torch.int
    %1 = torch.prim.ListConstruct  : () -> !torch.list<int>
    %false = torch.constant.bool false
    %none = torch.constant.none
    %2 = torch.aten.sum.dim_IntList %arg0, %1, %false, %none : !torch.vtensor<[3],f32>, !torch.list<int>, !torch.bool, !torch.none -> !torch.vtensor<[],f32>
    %none_0 = torch.constant.none
    %none_1 = torch.constant.none
    %int6 = torch.constant.int 6
    %cpu = torch.constant.device "cpu"
    %int0 = torch.constant.int 0
    torch.aten._assert_tensor_metadata %2, %none_0, %none_1, %int6, %cpu, %int0 : !torch.vtensor<[],f32>, !torch.none, !torch.none, !torch.int, !torch.Device, !torch.int
    %int4 = torch.constant.int 4
    %none_2 = torch.constant.none
    %none_3 = torch.constant.none
    %none_4 = torch.constant.none
    %false_5 = torch.constant.bool false
    %none_6 = torch.constant.none
    %3 = torch.aten._to_copy %2, %int4, %none_2, %none_3, %none_4, %false_5, %none_6 : !torch.vtensor<[],f32>, !torch.int, !torch.none, !torch.none, !torch.none, !torch.bool, !torch.none -> !torch.vtensor<[],si64>
    %4 = torch.aten.Int.Tensor %3 : !torch.vtensor<[],si64> -> !torch.int
    %int0_7 = torch.constant.int 0
    %5 = torch.aten.ge.int %4, %int0_7 : !torch.int, !torch.int -> !torch.bool
    %6 = torch.aten.Int.bool %5 : !torch.bool -> !torch.int
    %str = torch.constant.str "Runtime assertion failed for expression u0 >= 0 on node 'ge_1'"
    torch.aten._assert_scalar %6, %str : !torch.int, !torch.str
    %int7 = torch.constant.int 7
    %7 = torch.aten.le.int %4, %int7 : !torch.int, !torch.int -> !torch.bool
    %8 = torch.aten.Int.bool %7 : !torch.bool -> !torch.int
    %str_8 = torch.constant.str "Runtime assertion failed for expression u0 <= 7 on node 'le_1'"
    torch.aten._assert_scalar %8, %str_8 : !torch.int, !torch.str
    %int8 = torch.constant.int 8
    %9 = torch.aten.lt.int %4, %int8 : !torch.int, !torch.int -> !torch.bool
    %10 = torch.aten.Int.bool %9 : !torch.bool -> !torch.int
    %str_9 = torch.constant.str "Runtime assertion failed for expression u0 < 8 on node 'lt_1'"
    torch.aten._assert_scalar %10, %str_9 : !torch.int, !torch.str
    %11 = torch.prim.ListConstruct %4 : (!torch.int) -> !torch.list<int>
    %int0_10 = torch.constant.int 0
    %int6_11 = torch.constant.int 6
    %int0_12 = torch.constant.int 0
    %cpu_13 = torch.constant.device "cpu"
    %false_14 = torch.constant.bool false
    %12 = torch.aten.full %11, %int0_10, %int6_11, %int0_12, %cpu_13, %false_14 : !torch.list<int>, !torch.int, !torch.int, !torch.int, !torch.Device, !torch.bool -> !torch.vtensor<[?],f32>
    torch.bind_symbolic_shape %12, [%0], affine_map<()[s0] -> (s0)> : !torch.vtensor<[?],f32>
    %13 = torch.aten.mul.Scalar %arg0, %4 : !torch.vtensor<[3],f32>, !torch.int -> !torch.vtensor<[3],f32>
    return %12, %13 : !torch.vtensor<[?],f32>, !torch.vtensor<[3],f32>
  }
}
